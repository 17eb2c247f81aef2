import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useEffect, useState, type FormEvent } from "react";
import { chooseNewPassword, NewPasswordRequired, signIn } from "./auth";
import { ProblemText } from "../common/ProblemText";
import { Problem } from "../api/problem";

export function SignIn() {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [required, setRequired] = useState<NewPasswordRequired | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    document.title = "Sign in · Waybill";
  }, []);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await (required ? chooseNewPassword(required, password) : signIn(user.trim(), password));
    } catch (error) {
      setPassword("");
      if (error instanceof NewPasswordRequired) setRequired(error);
      else setProblem(Problem.of(error));
      setBusy(false);
    }
  };

  return (
    <main className="sign-in">
      <form onSubmit={(event) => void submit(event)}>
        <Form
          actions={
            <Button variant="primary" loading={busy} loadingText="Signing in" disabled={!user.trim() || !password}>
              Sign in
            </Button>
          }
        >
          <Container
            header={
              <Header variant="h1" description="Bulk import and export of records">
                Waybill
              </Header>
            }
          >
            <SpaceBetween size="m">
              {problem && (
                <Alert type="error" header={problem.title}>
                  {problem.isPassing ? <ProblemText problem={problem} /> : problem.detail}
                </Alert>
              )}
              {required && <Box>Your password is temporary. Choose one of your own.</Box>}
              <FormField label="User name">
                <Input
                  value={user}
                  onChange={({ detail }) => setUser(detail.value)}
                  disabled={required !== null}
                  autoComplete="username"
                  name="username"
                  autoFocus
                />
              </FormField>
              <FormField
                label={required ? "New password" : "Password"}
                constraintText={
                  required ? "12 characters or more, with capital and small letters and digits" : undefined
                }
              >
                <Input
                  type="password"
                  value={password}
                  onChange={({ detail }) => setPassword(detail.value)}
                  autoComplete={required ? "new-password" : "current-password"}
                  name="password"
                />
              </FormField>
            </SpaceBetween>
          </Container>
        </Form>
      </form>
    </main>
  );
}
