/** A status with its icon. Cloudscape's own breaks words within, which nobody can read in a narrow column. */
import StatusIndicator, { type StatusIndicatorProps } from "@cloudscape-design/components/status-indicator";

export function StatusText({ children, ...props }: StatusIndicatorProps) {
  return (
    <StatusIndicator {...props}>
      <span className="words">{children}</span>
    </StatusIndicator>
  );
}
