import Box from "@cloudscape-design/components/box";

export default function ExportWizard() {
  return <Box variant="h1">ExportWizard</Box>;
}
