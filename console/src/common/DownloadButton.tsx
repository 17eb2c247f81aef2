/** A button that downloads files. */
import Button, { type ButtonProps } from "@cloudscape-design/components/button";
import { download } from "./download";
import { showProblem } from "./notices";

interface Props extends Pick<ButtonProps, "disabled" | "disabledReason" | "variant"> {
  /** API paths of the files. */
  paths: string[];
}

export function DownloadButton({ paths, ...props }: Props) {
  const downloadAll = async () => {
    for (const path of paths) await download(path).catch(showProblem);
  };
  return (
    <Button {...props} iconName="download" onClick={() => void downloadAll()}>
      Download
    </Button>
  );
}
