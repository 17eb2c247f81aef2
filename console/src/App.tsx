/** The sign-in page, or the frame around every screen and the routes to the screens. */
import AppLayout from "@cloudscape-design/components/app-layout";
import Box from "@cloudscape-design/components/box";
import SideNavigation from "@cloudscape-design/components/side-navigation";
import Spinner from "@cloudscape-design/components/spinner";
import TopNavigation from "@cloudscape-design/components/top-navigation";
import { QueryClientProvider } from "@tanstack/react-query";
import { Suspense, useEffect, useState } from "react";
import {
  createBrowserRouter,
  Navigate,
  Route,
  RouterProvider,
  Routes,
  useLocation,
  useNavigate,
  useRouteError,
} from "react-router";
import { createQueryClient } from "./api/queryClient";
import { ErrorBoundary } from "./common/ErrorBoundary";
import { loadLater } from "./common/loadLater";
import { clearNotices, leaveNotices, Notices } from "./common/notices";
import { chooseTheme, type Theme } from "./common/theme";
import { signOut, useSession } from "./session/auth";
import { SessionEnded } from "./session/SessionEnded";
import { SignIn, SignInReturn } from "./session/SignIn";
import { isAdmin, useMe } from "./session/useMe";

const Start = loadLater(() => import("./start/Start"));
const ImportedFiles = loadLater(() => import("./imports/ImportedFiles"));
const CorrectRows = loadLater(() => import("./corrections/CorrectRows"));
const Status = loadLater(() => import("./status/Status"));
const ManageExports = loadLater(() => import("./exports/ManageExports"));
const ExportWizard = loadLater(() => import("./exports/wizard/ExportWizard"));
const Sources = loadLater(() => import("./sources/Sources"));
const SourceForm = loadLater(() => import("./sources/SourceForm"));
const SourceView = loadLater(() => import("./sources/SourceView"));
const Entities = loadLater(() => import("./entities/Entities"));
const EntityView = loadLater(() => import("./entities/EntityView"));
const SchemaEditor = loadLater(() => import("./entities/SchemaEditor"));
const AuditTrail = loadLater(() => import("./audit/AuditTrail"));

export const ROOT = new URL(".", document.baseURI).pathname.replace(/\/$/, "");
const DOCS = new URL("../docs/", document.baseURI).pathname;

export function App() {
  const { session, ended } = useSession();
  const page = location.pathname.slice(ROOT.length);
  if (page === "/signed-in") return <SignInReturn />;
  if (page === "/sign-in") return <SignIn inWindow />;
  if (!session) return <SignIn reason={ended} />;
  return (
    <>
      <SignedIn key={session.subject} />
      {ended && <SessionEnded user={session.user} reason={ended} />}
    </>
  );
}

/** In a narrower window the open navigation covers the screen. */
const COVERED_PX = 688;
const SCREENS = [
  { text: "Start", href: "/start" },
  { text: "Imported files", href: "/imports" },
  { text: "Status", href: "/status" },
  { text: "Manage exports", href: "/exports" },
  { text: "Sources", href: "/sources" },
  { text: "Entities", href: "/entities" },
];
const FOR_ADMINS = [{ text: "Audit trail", href: "/audit" }];

/** The cache belongs to one user: it begins and ends with the session. */
function SignedIn() {
  const [queryClient] = useState(createQueryClient);
  // A data router can ask before a screen is left; the screens are the routes of `Layout`.
  const [router] = useState(() =>
    createBrowserRouter([{ path: "*", element: <Layout />, ErrorBoundary: PassOn }], { basename: ROOT }),
  );
  return (
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  );
}

/** What the router caught is told as any other error. */
function PassOn(): never {
  throw useRouteError();
}

function Layout() {
  const navigate = useNavigate();
  const { pathname } = useLocation();
  const me = useMe();
  const [navigationOpen, setNavigationOpen] = useState(window.innerWidth > 900);
  const screen = [...SCREENS, ...FOR_ADMINS].find(({ href }) => pathname.startsWith(href));

  useEffect(() => clearNotices, []);
  useEffect(() => leaveNotices, [pathname]);
  useEffect(() => {
    document.title = screen ? `${screen.text} · Waybill` : "Waybill";
  }, [screen]);

  return (
    <>
      <div id="top" className="header">
        <TopNavigation
          identity={{
            href: `${ROOT}/start`,
            title: "Waybill",
            onFollow: (event) => {
              event.preventDefault();
              void navigate("/start");
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
              onItemClick: () => void signOut(),
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
            header={{ text: "Waybill", href: `${ROOT}/start` }}
            activeHref={ROOT + (screen?.href ?? "")}
            items={[
              ...(isAdmin(me) ? [...SCREENS, ...FOR_ADMINS] : SCREENS).map(({ text, href }) => ({
                type: "link" as const,
                text,
                href: ROOT + href,
              })),
              { type: "divider" },
              {
                type: "link",
                text: "Documentation",
                href: DOCS,
                external: true,
                externalIconAriaLabel: "in a new tab",
              },
            ]}
            onFollow={(event) => {
              if (event.detail.external) return;
              event.preventDefault();
              if (window.innerWidth <= COVERED_PX) setNavigationOpen(false);
              void navigate(event.detail.href.slice(ROOT.length));
            }}
          />
        }
        notifications={<Notices />}
        stickyNotifications
        content={
          <ErrorBoundary of={pathname}>
            <Suspense fallback={<Spinner size="large" />}>
              <Routes>
                <Route index element={<Navigate replace to="/start" />} />
                <Route path="start" element={<Start />} />
                <Route path="imports" element={<ImportedFiles />} />
                <Route path="imports/:jobId/rows" element={<CorrectRows />} />
                <Route path="status" element={<Status />} />
                <Route path="exports" element={<ManageExports />} />
                <Route path="exports/new" element={<ExportWizard />} />
                <Route path="exports/:exportId/edit" element={<ExportWizard />} />
                <Route path="sources" element={<Sources />} />
                <Route path="sources/new" element={<SourceForm />} />
                <Route path="sources/:sourceId" element={<SourceView />} />
                <Route path="sources/:sourceId/edit" element={<SourceForm />} />
                <Route path="entities" element={<Entities />} />
                <Route path="entities/new" element={<SchemaEditor />} />
                <Route path="entities/:name" element={<EntityView />} />
                <Route path="entities/:name/schema" element={<SchemaEditor />} />
                <Route path="audit" element={<AuditTrail />} />
                <Route path="*" element={<Box variant="h1">This page does not exist</Box>} />
              </Routes>
            </Suspense>
          </ErrorBoundary>
        }
      />
    </>
  );
}
