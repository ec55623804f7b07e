"use client";

import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ThemeSwitch } from "@/features/shell/theme-switch.tsx";
import { Button } from "@/ui/button.tsx";
import { messageOf, Notice } from "@/ui/status.tsx";
import { signInAsDemo } from "./auth-requests.ts";
import { SignInForm } from "./sign-in-form.tsx";

const POINTS: [string, string][] = [
  [
    "Launch",
    "Pick an experiment, fill in a form made from its own schema, choose seeds, press Launch. A runner on a CPU or GPU machine takes it.",
  ],
  [
    "Watch",
    "Curves, logs, heatmaps and timelines arrive while it runs. Every number says whether it was measured, emulated or simulated.",
  ],
  [
    "Find again",
    "Config, seed, machine, code and inputs are recorded with each run, so that any of them can be done again.",
  ],
];

/** The page for someone who is not signed in: what this is, and the way in. */
export function Welcome({ localMode }: { localMode: boolean }) {
  const queryClient = useQueryClient();
  const enter = () => void queryClient.resetQueries();
  return (
    <main className="mx-auto grid min-h-dvh max-w-5xl content-center gap-10 px-5 py-10 md:grid-cols-[minmax(0,1fr)_20rem]">
      <div className="absolute top-3 right-3">
        <ThemeSwitch />
      </div>
      <section className="self-center">
        <p className="mb-3 font-mono text-sm font-semibold text-accent">fmlab</p>
        <h1 className="mb-3 max-w-xl text-3xl leading-9 font-semibold tracking-tight text-balance">
          A research platform for foundation-model systems
        </h1>
        <p className="mb-6 max-w-xl text-base leading-6 text-muted">
          Launch experiments on real machines, watch them run, and find every result again, with the
          config, the seed and the machine that made it.
        </p>
        <dl className="flex max-w-xl flex-col gap-3">
          {POINTS.map(([name, text]) => (
            <div key={name} className="grid grid-cols-[5.5rem_minmax(0,1fr)] gap-3">
              <dt className="font-medium">{name}</dt>
              <dd className="text-muted">{text}</dd>
            </div>
          ))}
        </dl>
      </section>
      <section
        aria-label="Sign in"
        className="flex flex-col gap-4 self-center rounded-lg border border-line bg-panel p-5"
      >
        <h2 className="font-semibold">Sign in</h2>
        {localMode && <DemoButton onDone={enter} />}
        <SignInForm onDone={enter} />
      </section>
    </main>
  );
}

function DemoButton({ onDone }: { onDone: () => void }) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const enter = async () => {
    setBusy(true);
    setFailure(null);
    try {
      await signInAsDemo();
      onDone();
    } catch (error) {
      setFailure(messageOf(error));
      setBusy(false);
    }
  };
  return (
    <div className="flex flex-col gap-2 border-b border-line pb-4">
      <Button variant="primary" size="large" disabled={busy} onClick={() => void enter()}>
        Continue as demo user
      </Button>
      <p className="text-xs text-muted">
        This server runs on your own machine, so no account is needed.
      </p>
      {failure !== null && (
        <Notice tone="bad" title="The demo user could not sign in">
          {failure}
        </Notice>
      )}
    </div>
  );
}
