/** A button that downloads an empty file of an entity, to be filled in. */
import ButtonDropdown from "@cloudscape-design/components/button-dropdown";
import { at, fetchFile } from "../api/client";
import { saveFile } from "../common/download";
import { showProblem } from "../common/notices";

export function TemplateButton({ entity }: { entity: string }) {
  const save = async (format: string) =>
    saveFile(await fetchFile(at`entities/${entity}/template`, { format }), `${entity}.${format}`);
  return (
    <ButtonDropdown
      items={[
        { id: "xlsx", text: "Workbook (XLSX)", description: "With drop-downs and notes" },
        { id: "csv", text: "Text file (CSV)" },
      ]}
      onItemClick={({ detail }) => void save(detail.id).catch(showProblem)}
    >
      Download template
    </ButtonDropdown>
  );
}
