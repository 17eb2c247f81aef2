import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState, type FormEvent } from "react";
import { Problem } from "../api/problem";
import { chooseNewPassword, NewPasswordRequired, signIn } from "./auth";

interface Props {
  /** null: what was wrong no longer is. */
  onProblem: (problem: Problem | null) => void;
  onSignedIn: () => void;
}

export function PasswordForm({ onProblem, onSignedIn }: Props) {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [required, setRequired] = useState<NewPasswordRequired | null>(null);
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    onProblem(null);
    try {
      await (required ? chooseNewPassword(required, password) : signIn(user.trim(), password));
      onSignedIn();
    } catch (error) {
      setPassword("");
      if (error instanceof NewPasswordRequired) setRequired(error);
      else onProblem(Problem.of(error));
      setBusy(false);
    }
  };

  return (
    <form onSubmit={(event) => void submit(event)}>
      <SpaceBetween size="m">
        {required && <Box>Your password is temporary. Choose one of your own.</Box>}
        <FormField label="User name">
          <Input
            value={user}
            onChange={({ detail }) => setUser(detail.value)}
            disabled={required !== null}
            autoComplete="username"
            name="username"
          />
        </FormField>
        <FormField
          label={required ? "New password" : "Password"}
          constraintText={required ? "12 characters or more, with capital and small letters and digits" : undefined}
        >
          <Input
            type="password"
            value={password}
            onChange={({ detail }) => setPassword(detail.value)}
            autoComplete={required ? "new-password" : "current-password"}
            name="password"
          />
        </FormField>
        <Button fullWidth loading={busy} loadingText="Signing in" disabled={!user.trim() || !password}>
          Sign in
        </Button>
      </SpaceBetween>
    </form>
  );
}
