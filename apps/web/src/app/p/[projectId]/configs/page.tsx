import type { Metadata } from "next";
import { Suspense } from "react";
import { ConfigsPage } from "@/features/configs/configs-page.tsx";
import { Loading } from "@/ui/status.tsx";

export const metadata: Metadata = { title: "Configs" };

export default async function Page({ params }: { params: Promise<{ projectId: string }> }) {
  return (
    <Suspense fallback={<Loading />}>
      <ConfigsPage projectId={(await params).projectId} />
    </Suspense>
  );
}
