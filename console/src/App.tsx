/** Who is signed in, what stands around every screen, and which screen belongs to which address. */
import AppLayout from "@cloudscape-design/components/app-layout";
import Box from "@cloudscape-design/components/box";
import SideNavigation from "@cloudscape-design/components/side-navigation";
import Spinner from "@cloudscape-design/components/spinner";
import TopNavigation from "@cloudscape-design/components/top-navigation";
import { lazy, Suspense, useEffect, useState } from "react";
import { BrowserRouter, Navigate, Route, Routes, useLocation, useNavigate } from "react-router";
import { signOut, useSession, type Session } from "./auth";
import { call } from "./client";
import type { Me } from "./contract";
import { MeContext } from "./me";
import { clearNotices, Notices, showProblem } from "./notices";
import { SignIn } from "./SignIn";
import { chooseTheme, type Theme } from "./theme";

const ImportedFiles = lazy(() => import("./imports/ImportedFiles"));
const Status = lazy(() => import("./status/Status"));
const ManageExports = lazy(() => import("./exports/ManageExports"));
const ExportWizard = lazy(() => import("./exports/ExportWizard"));
const Entities = lazy(() => import("./entities/Entities"));
const EntityView = lazy(() => import("./entities/EntityView"));
const SchemaEditor = lazy(() => import("./entities/SchemaEditor"));

export const ROOT = new URL(".", document.baseURI).pathname.replace(/\/$/, "");

export function App() {
  const session = useSession();
  return session ? (
    <BrowserRouter basename={ROOT}>
      <Layout key={session.user} session={session} />
    </BrowserRouter>
  ) : (
    <SignIn />
  );
}

const SCREENS = [
  { text: "Imported files", href: "/imports" },
  { text: "Status", href: "/status" },
  { text: "Manage exports", href: "/exports" },
  { text: "Entities", href: "/entities" },
];

function Layout({ session }: { session: Session }) {
  const navigate = useNavigate();
  const { pathname } = useLocation();
  const [me, setMe] = useState<Me>({ name: session.user, subject: "", groups: [] });
  const [navigationOpen, setNavigationOpen] = useState(window.innerWidth > 900);
  const screen = SCREENS.find(({ href }) => pathname.startsWith(href));

  useEffect(() => {
    call<Me>("GET", "me").then(setMe, showProblem);
    return clearNotices;
  }, []);
  useEffect(() => {
    document.title = screen ? `${screen.text} · Waybill` : "Waybill";
  }, [screen]);

  return (
    <MeContext value={me}>
      <div id="top" className="header">
        <TopNavigation
          identity={{
            href: `${ROOT}/imports`,
            title: "Waybill",
            onFollow: (event) => {
              event.preventDefault();
              void navigate("/imports");
            },
          }}
          utilities={[
            {
              type: "menu-dropdown",
              iconName: "settings",
              ariaLabel: "Settings",
              title: "Settings",
              items: [
                { id: "imports", text: "Imported files" },
                {
                  id: "theme",
                  text: "Appearance",
                  items: [
                    { id: "light", text: "Light" },
                    { id: "dark", text: "Dark" },
                    { id: "system", text: "As the system" },
                  ],
                },
              ],
              onItemClick: ({ detail: { id } }) =>
                id === "imports" ? void navigate("/imports") : chooseTheme(id as Theme),
            },
            {
              type: "menu-dropdown",
              iconName: "user-profile",
              text: me.name,
              description: me.groups.length ? `Groups: ${me.groups.join(", ")}` : "In no group",
              items: [{ id: "sign-out", text: "Sign out" }],
              onItemClick: signOut,
            },
          ]}
        />
      </div>
      <AppLayout
        headerSelector="#top"
        toolsHide
        navigationOpen={navigationOpen}
        onNavigationChange={({ detail }) => setNavigationOpen(detail.open)}
        navigation={
          <SideNavigation
            header={{ text: "Waybill", href: `${ROOT}/imports` }}
            activeHref={ROOT + (screen?.href ?? "")}
            items={SCREENS.map(({ text, href }) => ({ type: "link", text, href: ROOT + href }))}
            onFollow={(event) => {
              event.preventDefault();
              void navigate(event.detail.href.slice(ROOT.length));
            }}
          />
        }
        notifications={<Notices />}
        stickyNotifications
        content={
          <Suspense fallback={<Spinner size="large" />}>
            <Routes>
              <Route index element={<Navigate replace to="/imports" />} />
              <Route path="imports" element={<ImportedFiles />} />
              <Route path="status" element={<Status />} />
              <Route path="exports" element={<ManageExports />} />
              <Route path="exports/new" element={<ExportWizard />} />
              <Route path="exports/:exportId/edit" element={<ExportWizard />} />
              <Route path="entities" element={<Entities />} />
              <Route path="entities/new" element={<SchemaEditor />} />
              <Route path="entities/:name" element={<EntityView />} />
              <Route path="entities/:name/schema" element={<SchemaEditor />} />
              <Route path="*" element={<Box variant="h1">There is no such screen</Box>} />
            </Routes>
          </Suspense>
        }
      />
    </MeContext>
  );
}
