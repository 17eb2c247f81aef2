/** The pages of people who are not signed in: where they sign in, and where the provider returns them to. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import { useEffect, useState, type ReactNode } from "react";
import { Problem } from "../api/problem";
import type { AuthConfig } from "../api/types";
import { ProblemText } from "../common/ProblemText";
import { authConfig, goToProvider, returnFromProvider } from "./auth";
import { PasswordForm } from "./PasswordForm";

/**
 * @param reason - why a session has ended.
 * @param inWindow - it was opened to go on with the screens of another window, and closes itself.
 */
export function SignIn({ reason = null, inWindow = false }: { reason?: string | null; inWindow?: boolean }) {
  const [config, setConfig] = useState<AuthConfig | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState(false);

  const leave = () => {
    setBusy(true);
    setProblem(null);
    goToProvider(inWindow ? null : location.href).catch((error: unknown) => {
      setProblem(Problem.of(error));
      setBusy(false);
    });
  };
  useEffect(() => {
    document.title = "Sign in · Waybill";
    authConfig().then(
      (found) => {
        setConfig(found);
        if (inWindow && !found.passwordSignIn) leave();
      },
      (error: unknown) => setProblem(Problem.of(error)),
    );
    // eslint-disable-next-line react-hooks/exhaustive-deps -- once
  }, []);

  if (done) return <SignedInWindow />;
  return (
    <Page>
      {reason && !problem && <Alert type="info">{reason}</Alert>}
      {problem && (
        <Alert type="error" header={problem.title}>
          {problem.isPassing ? <ProblemText problem={problem} /> : problem.detail}
        </Alert>
      )}
      <Button variant="primary" fullWidth loading={busy} loadingText="Leaving for the sign-in page" onClick={leave}>
        {config?.passwordSignIn ? "Continue to the sign-in page" : "Sign in"}
      </Button>
      {config?.passwordSignIn && (
        <SpaceBetween size="m">
          <Box textAlign="center" color="text-body-secondary">
            or with a password
          </Box>
          <PasswordForm
            onProblem={setProblem}
            onSignedIn={() => {
              if (inWindow) setDone(true);
            }}
          />
        </SpaceBetween>
      )}
    </Page>
  );
}

/** Where the provider returns to. */
export function SignInReturn() {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [done, setDone] = useState(false);
  useEffect(() => {
    document.title = "Sign in · Waybill";
    returned ??= returnFromProvider();
    returned.then(
      (returnTo) => {
        if (returnTo === null) setDone(true);
        else if (location.href !== returnTo) location.replace(returnTo);
      },
      (error: unknown) => setProblem(Problem.of(error)),
    );
  }, []);
  if (done) return <SignedInWindow />;
  return (
    <Page>
      {problem ? (
        <SpaceBetween size="m">
          <Alert type="error" header={problem.title}>
            {problem.isPassing ? <ProblemText problem={problem} /> : problem.detail}
          </Alert>
          <Button variant="primary" fullWidth href={new URL(".", document.baseURI).href}>
            Begin again
          </Button>
        </SpaceBetween>
      ) : (
        <Box textAlign="center">
          <Spinner size="large" />
        </Box>
      )}
    </Page>
  );
}

/** A code is good once, also where React runs effects twice. */
let returned: Promise<string | null> | undefined;

function SignedInWindow() {
  useEffect(() => window.close(), []);
  return (
    <Page>
      <Alert type="success">You are signed in. Close this window, and go on in the other one.</Alert>
    </Page>
  );
}

function Page({ children }: { children: ReactNode }) {
  return (
    <main className="sign-in">
      <Container
        header={
          <Header variant="h1" description="Bulk import and export of records">
            Waybill
          </Header>
        }
      >
        <SpaceBetween size="m">{children}</SpaceBetween>
      </Container>
    </main>
  );
}
