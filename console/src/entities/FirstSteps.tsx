/** What to do where there is no entity yet. */
import Alert from "@cloudscape-design/components/alert";
import { ScreenButton } from "../common/links";
import { isAdmin, useMe } from "../session/useMe";

export function FirstSteps() {
  const me = useMe();
  if (isAdmin(me)) {
    return (
      <Alert header="Begin with a file" action={<ScreenButton to="/entities/new">Create entity</ScreenButton>}>
        Records are kept in entities, each with its fields and permissions, and there is none yet. Choose a sample file:
        names and types of the fields are proposed, and the file can be imported at once.
      </Alert>
    );
  }
  return (
    <Alert header="No entity is open to you yet">
      Administrators create entities, and give permissions to groups.{" "}
      {me.groups.length ? `Your groups: ${me.groups.join(", ")}.` : "You are in no group."}
    </Alert>
  );
}
