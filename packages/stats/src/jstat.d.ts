/** The part of jStat 1.9 used here; the package ships no types. */
declare module "jstat" {
  const jStat: {
    studentt: {
      inv(probability: number, degreesOfFreedom: number): number;
    };
    binomial: { cdf(successes: number, trials: number, probability: number): number };
    ibeta(x: number, a: number, b: number): number;
  };
  export default jStat;
}
