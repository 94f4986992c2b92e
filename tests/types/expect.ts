/**
 * What compile-time tests are made of. They only have to be checked, nothing here runs.
 *
 * @module
 */

/** Whether two types are the same, not only assignable to each other. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2)
  ? true
  : false;

/** A claim: an error where it is false. */
export type Expect<T extends true> = T;

/** Gives a value of a type, for claims about expressions. */
export declare function a<T>(): T;
