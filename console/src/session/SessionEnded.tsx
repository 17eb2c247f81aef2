/** Shown over the screens of a session that has ended: they stay as they are until their person has signed in again. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Link from "@cloudscape-design/components/link";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";
import { signOut } from "./auth";

export function SessionEnded({ user, reason }: { user: string; reason: string }) {
  const [isBlocked, setIsBlocked] = useState(false);
  const address = new URL("sign-in", document.baseURI).href;
  return (
    <Modal
      visible
      header="Your session has ended"
      onDismiss={() => undefined} // the screens are of no use without a session
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={() => void signOut()}>
              Sign out
            </Button>
            <Button
              variant="primary"
              onClick={() => setIsBlocked(window.open(address, "", "popup,width=520,height=720") === null)}
            >
              Sign in again
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="s">
        <Box>{reason}</Box>
        <Box>
          Sign in again as {user}, in a window of its own: this page waits with everything that you have typed, and goes
          on.
        </Box>
        {isBlocked && (
          <Box>
            The browser has blocked the window.{" "}
            <Link href={address} external externalIconAriaLabel="in a new tab">
              Open the sign-in page
            </Link>
          </Box>
        )}
      </SpaceBetween>
    </Modal>
  );
}
