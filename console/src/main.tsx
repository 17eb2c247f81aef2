import "@cloudscape-design/global-styles/index.css";
import "./style.css";
import I18nProvider from "@cloudscape-design/components/i18n";
import messages from "@cloudscape-design/components/i18n/messages/all.en";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App, ROOT } from "./App";
import { ErrorBoundary } from "./common/ErrorBoundary";
import { NotLoaded } from "./common/loadLater";
import { applyTheme } from "./common/theme";

if (!location.pathname.startsWith(ROOT)) location.replace(`${ROOT}/`); // the console answers under another path too
applyTheme();
const root = createRoot(document.getElementById("root")!, {
  // A part that does not load is told on the page.
  onCaughtError: (error) => !(error instanceof NotLoaded) && console.error(error),
});
root.render(
  <StrictMode>
    <I18nProvider locale="en" messages={[messages]}>
      <ErrorBoundary>
        <App />
      </ErrorBoundary>
    </I18nProvider>
  </StrictMode>,
);
