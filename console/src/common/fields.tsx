/** Form fields with a label. */
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import { wholeNumber } from "./format";

const SEARCHABLE = 12;

interface TextFieldProps {
  label: string;
  value: string | undefined;
  help?: string;
  warning?: string;
  onChange: (value: string) => void;
}

export function TextField({ label, value, help, warning, onChange }: TextFieldProps) {
  return (
    <FormField label={label} constraintText={help} warningText={warning}>
      <Input value={value ?? ""} onChange={({ detail }) => onChange(detail.value)} />
    </FormField>
  );
}

interface NumberFieldProps {
  label: string;
  value: number | undefined;
  help?: string;
  disabled?: boolean;
  /** Whether it may be empty. */
  isOptional?: boolean;
  /** See `wholeNumber`. */
  onChange: (value: number) => void;
}

export function NumberField({ label, value, help, disabled, isOptional, onChange }: NumberFieldProps) {
  const text = String(value ?? "");
  const isWrong = typeof wholeNumber(text) !== "number" && !(isOptional && text === "");
  return (
    <FormField label={label} constraintText={help} errorText={isWrong && "This is not a whole number"}>
      <Input
        inputMode="numeric"
        value={text}
        disabled={disabled}
        onChange={({ detail }) => onChange(wholeNumber(detail.value))}
      />
    </FormField>
  );
}

interface SelectFieldProps<Value extends string> {
  label: string;
  value: Value;
  /** Values with their labels. */
  options: readonly (readonly [Value, string])[];
  onChange: (value: Value) => void;
}

export function SelectField<Value extends string>({ label, value, options, onChange }: SelectFieldProps<Value>) {
  const items = options.map(([value, label]) => ({ value, label }));
  return (
    <FormField label={label}>
      <Select
        filteringType={items.length > SEARCHABLE ? "auto" : "none"}
        options={items}
        placeholder="Choose"
        selectedOption={items.find((item) => item.value === value) ?? null}
        onChange={({ detail }) => onChange(detail.selectedOption.value as Value)}
      />
    </FormField>
  );
}
