/** A button that downloads files. */
import Button, { type ButtonProps } from "@cloudscape-design/components/button";
import { downloadAll } from "./download";

interface Props extends Pick<ButtonProps, "disabled" | "disabledReason" | "variant"> {
  /** API paths of the files. */
  paths: string[];
}

export function DownloadButton({ paths, ...props }: Props) {
  return (
    <Button {...props} iconName="download" onClick={() => void downloadAll(paths)}>
      Download
    </Button>
  );
}
