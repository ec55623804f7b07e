import type { Metadata } from "next";
import { Suspense } from "react";
import { RunsPage } from "@/features/runs/runs-page.tsx";
import { Loading } from "@/ui/status.tsx";

export const metadata: Metadata = { title: "Runs" };

export default async function Page({ params }: { params: Promise<{ projectId: string }> }) {
  return (
    <Suspense fallback={<Loading />}>
      <RunsPage projectId={(await params).projectId} />
    </Suspense>
  );
}
