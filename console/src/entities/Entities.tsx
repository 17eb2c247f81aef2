import Box from "@cloudscape-design/components/box";

export default function Entities() {
  return <Box variant="h1">Entities</Box>;
}
