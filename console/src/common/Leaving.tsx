/** Asks before a screen is left on which something was typed. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useEffect, useEffectEvent } from "react";
import { useBlocker } from "react-router";
import type { Form } from "./useKept";

/** Within the screen, as from step to step, nobody is asked. Closing or reloading the tab asks in the browser's words. */
export function Leaving({ form: { isChanged, settle } }: { form: Pick<Form<unknown>, "isChanged" | "settle"> }) {
  const ask = useEffectEvent((event: BeforeUnloadEvent) => {
    if (isChanged()) event.preventDefault();
  });
  useEffect(() => {
    const listener = (event: BeforeUnloadEvent) => ask(event);
    window.addEventListener("beforeunload", listener);
    return () => window.removeEventListener("beforeunload", listener);
  }, []);
  const blocker = useBlocker(
    ({ currentLocation, nextLocation }) => isChanged() && currentLocation.pathname !== nextLocation.pathname,
  );
  if (blocker.state !== "blocked") return null;
  return (
    <Modal
      visible
      header="Leave without saving?"
      onDismiss={() => blocker.reset()}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={() => blocker.reset()}>
              Stay
            </Button>
            <Button
              variant="primary"
              onClick={() => {
                settle();
                blocker.proceed();
              }}
            >
              Leave
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      What you have typed is not saved, and is lost when you leave.
    </Modal>
  );
}
