/** What a metric's name says of it. */

/** Whether less of a metric is better, by what its name says. */
export function lessIsBetter(key: string): boolean {
  return /(^|[/_.-])(loss|error|err|rmse|mse|mae|mape|perplexity|latency|seconds|ms|logloss|wer|cer)([/_.-]|$)/i.test(key);
}

/** Whether a metric measures how good a run is, rather than what it took or how it was set. */
export function isMerit(key: string): boolean {
  return !/^system\/|learning_rate|(^|\/)lr$|epoch|(^|[/_])step/i.test(key);
}
