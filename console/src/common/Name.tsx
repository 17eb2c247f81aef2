/** A name of any length and script, which cannot disturb the layout around it. */
export function Name({ children }: { children: string }) {
  return (
    <bdi className="name" title={children.length > 60 ? children : undefined}>
      {children.length > 120 ? `${children.slice(0, 90)}…${children.slice(-25)}` : children}
    </bdi>
  );
}
