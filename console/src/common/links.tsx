/** Links within the console: real addresses, followed without a page load. */
import Button from "@cloudscape-design/components/button";
import CloudscapeLink, { type LinkProps } from "@cloudscape-design/components/link";
import { useHref, useNavigate } from "react-router";
import { NO_PERMISSION } from "../api/types";
import { Name } from "./Name";

export function ScreenLink({ to, ...props }: { to: string } & LinkProps) {
  const navigate = useNavigate();
  const href = useHref(to);
  return (
    <CloudscapeLink
      {...props}
      href={href}
      onFollow={(event) => {
        event.preventDefault();
        void navigate(to);
      }}
    />
  );
}

export function EntityLink({ name }: { name: string }) {
  if (name === NO_PERMISSION) return name;
  return (
    <ScreenLink to={`/entities/${encodeURIComponent(name)}`}>
      <Name>{name}</Name>
    </ScreenLink>
  );
}

export function ScreenButton({ to, children }: { to: string; children: string }) {
  const navigate = useNavigate();
  const href = useHref(to);
  return (
    <Button
      href={href}
      onFollow={(event) => {
        event.preventDefault();
        void navigate(to);
      }}
    >
      {children}
    </Button>
  );
}
