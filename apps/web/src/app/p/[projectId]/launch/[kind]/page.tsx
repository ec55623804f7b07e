import type { Metadata } from "next";
import { LaunchPage } from "@/features/launch/launch-page.tsx";

interface Props {
  params: Promise<{ projectId: string; kind: string }>;
  searchParams: Promise<{ preset?: string; from?: string; revision?: string }>;
}

export const metadata: Metadata = { title: "Launch" };

export default async function Page({ params, searchParams }: Props) {
  const { projectId, kind } = await params;
  return (
    <LaunchPage projectId={projectId} kind={decodeURIComponent(kind)} start={await searchParams} />
  );
}
