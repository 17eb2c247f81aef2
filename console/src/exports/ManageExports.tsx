import Box from "@cloudscape-design/components/box";

export default function ManageExports() {
  return <Box variant="h1">ManageExports</Box>;
}
