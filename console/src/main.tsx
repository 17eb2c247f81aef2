import "@cloudscape-design/global-styles/index.css";
import "./style.css";
import I18nProvider from "@cloudscape-design/components/i18n";
import messages from "@cloudscape-design/components/i18n/messages/all.en";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App, ROOT } from "./App";
import { applyTheme } from "./common/theme";

if (!location.pathname.startsWith(ROOT)) location.replace(`${ROOT}/`); // the console answers under another path too
applyTheme();
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <I18nProvider locale="en" messages={[messages]}>
      <App />
    </I18nProvider>
  </StrictMode>,
);
