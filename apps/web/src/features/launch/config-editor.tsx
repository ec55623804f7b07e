"use client";

import type { ConfigProblem } from "@fmlab/experiment";
import { useMemo, useState } from "react";
import { TextArea } from "@/ui/fields.tsx";
import { TabPanel, Tabs } from "@/ui/tabs.tsx";
import { parseConfigText } from "./check-config.ts";
import { ConfigForm } from "./config-form.tsx";
import { isSameConfig } from "./config-values.ts";
import { problemsByPath } from "./draft.ts";
import { fieldsOf, type JsonSchema } from "./form-fields.ts";

interface EditorProps {
  schema: unknown;
  config: unknown;
  onChange: (config: unknown) => void;
  problems: ConfigProblem[];
}

/** A config as a form or as JSON; both edit the same thing. */
export function ConfigEditor(props: EditorProps) {
  const [tab, setTab] = useState("form");
  const fields = useMemo(() => fieldsOf(props.schema as JsonSchema), [props.schema]);
  const problems = useMemo(() => problemsByPath(props.problems), [props.problems]);
  const elsewhere = problems.get("");
  return (
    <Tabs
      value={tab}
      onChange={setTab}
      label="How to edit"
      tabs={[
        { value: "form", title: "Form" },
        { value: "json", title: "JSON" },
      ]}
    >
      <TabPanel value="form">
        {elsewhere !== undefined && <p className="mb-3 text-bad">{elsewhere}</p>}
        <ConfigForm
          fields={fields}
          values={props.config}
          onChange={props.onChange}
          problems={problems}
        />
      </TabPanel>
      <TabPanel value="json">
        <JsonEditor {...props} />
      </TabPanel>
    </Tabs>
  );
}

function JsonEditor({ config, onChange, problems }: EditorProps) {
  const [typed, setTyped] = useState(() => JSON.stringify(config, null, 2));
  const parsed = parseConfigText(typed);
  // A preset or an opened config may replace what was typed here.
  const isStale = "config" in parsed && !isSameConfig(parsed.config, config);
  const shown = isStale ? JSON.stringify(config, null, 2) : typed;
  return (
    <div className="flex flex-col gap-2">
      <TextArea
        aria-label="Config as JSON"
        aria-invalid={"problem" in parsed || problems.length > 0}
        aria-describedby="config-json-problems"
        className="font-mono text-xs"
        spellCheck={false}
        rows={Math.min(30, shown.split("\n").length + 1)}
        value={shown}
        onChange={(event) => {
          setTyped(event.target.value);
          const next = parseConfigText(event.target.value);
          if ("config" in next) onChange(next.config);
        }}
      />
      <ul id="config-json-problems" className="text-xs text-bad">
        {"problem" in parsed ? (
          <li>{parsed.problem}. The form keeps the last valid JSON.</li>
        ) : (
          problems.map((problem) => (
            <li key={`${problem.path} ${problem.message}`}>
              <span className="font-mono">{problem.path || "config"}</span>: {problem.message}
            </li>
          ))
        )}
      </ul>
    </div>
  );
}
