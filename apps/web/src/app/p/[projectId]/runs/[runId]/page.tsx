import type { Metadata } from "next";
import { Suspense } from "react";
import { RunPage } from "@/features/run/run-page.tsx";
import { Loading } from "@/ui/status.tsx";

interface Props {
  params: Promise<{ projectId: string; runId: string }>;
}

export const metadata: Metadata = { title: "Run" };

export default async function Page({ params }: Props) {
  return (
    <Suspense fallback={<Loading />}>
      <RunPage {...(await params)} />
    </Suspense>
  );
}
