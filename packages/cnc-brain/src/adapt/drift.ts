/** Watches a stream of numbers for a change of its mean. */
export interface DriftDetector {
  readonly name: string;
  /** Takes one value; true when a change is found, after which it begins anew. */
  add(value: number): boolean;
  /** Forgets everything. */
  reset(): void;
}
