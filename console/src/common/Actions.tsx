/** What can be done with what is selected: buttons side by side; on a phone the first, and a menu with the others. */
import Button, { type ButtonProps } from "@cloudscape-design/components/button";
import ButtonDropdown from "@cloudscape-design/components/button-dropdown";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useWidth } from "./useColumns";

export interface Action extends Pick<ButtonProps, "disabled" | "disabledReason" | "iconName"> {
  text: string;
  onClick: () => void;
}

export function Actions({ actions }: { actions: Action[] }) {
  const isPhone = useWidth() === "phone";
  const buttons = isPhone ? actions.slice(0, 1) : actions;
  const others = actions.slice(buttons.length);
  return (
    <SpaceBetween direction="horizontal" size="xs">
      {buttons.map(({ text, ...action }) => (
        <Button key={text} {...action}>
          {text}
        </Button>
      ))}
      {others.length > 0 && (
        <ButtonDropdown
          items={others.map(({ text, disabled, disabledReason }) => ({ id: text, text, disabled, disabledReason }))}
          onItemClick={({ detail }) => others.find(({ text }) => text === detail.id)!.onClick()}
        >
          Actions
        </ButtonDropdown>
      )}
    </SpaceBetween>
  );
}
