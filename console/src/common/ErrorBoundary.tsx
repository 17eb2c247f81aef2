/** Says what happened where a part of the page cannot be shown, instead of leaving the page blank. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { Component, type ReactNode } from "react";
import { forgetFailures, NotLoaded } from "./loadLater";
import { reloadIfServed } from "./upgrade";

interface Props {
  /** What is shown: another one is tried at once. */
  of?: string;
  children: ReactNode;
}

export class ErrorBoundary extends Component<Props, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override componentDidUpdate(before: Props) {
    if (before.of !== this.props.of && this.state.error !== null) this.tryAgain();
  }

  tryAgain = () => {
    forgetFailures();
    this.setState({ error: null });
  };

  /** A browser may remember that a script did not load for as long as the page stands: such a part needs the page anew. */
  retry = async () => {
    if (this.state.error instanceof NotLoaded && (await reloadIfServed())) return;
    this.tryAgain();
  };

  override render() {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return <Failed error={error} onRetry={() => void this.retry()} />;
  }
}

function Failed({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const isPart = error instanceof NotLoaded;
  return (
    <Alert
      type="error"
      header={
        <Box variant="h1" fontSize="heading-s" padding="n" color="inherit">
          {isPart ? "This part of the console could not be loaded" : "Something went wrong in the console"}
        </Box>
      }
      action={
        <SpaceBetween direction="horizontal" size="xs">
          <Button onClick={onRetry}>Try again</Button>
          <Button onClick={() => location.reload()}>Reload the page</Button>
        </SpaceBetween>
      }
    >
      {isPart
        ? "The connection may be lost, or Waybill is being upgraded. Check the connection, then try again. Imports and " +
          "exports that run are not affected."
        : `Imports and exports that run are not affected. ${error instanceof Error ? error.message : String(error)}`}
    </Alert>
  );
}
