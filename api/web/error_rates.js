/** What the measured error rates of a model mean for a person. */

import { number, t } from "./text.js";

// Above this share of wrong words a text must be read against the recording. Google's service has 0.208 on Common
// Voice Hindi (Vistaar, 2023).
const HIGH = 0.2;

/** The measurement on real recordings with the model's default decoder that is worst for the person, or null. */
export function worstOf(model) {
  const measured = (model?.evaluation ?? []).filter(({ wer, decoder }) =>
    typeof wer === "number" && (!decoder || decoder === model.default_decoder));
  return measured.reduce((worst, one) => (!worst || one.wer > worst.wer ? one : worst), null);
}

/** A sentence that warns of a model with a high error rate, or of one that was never measured; else empty. */
export function warningOf(model) {
  if (!model) return "";
  const worst = worstOf(model);
  if (!worst) return t("models.unmeasured", { name: model.name });
  return worst.wer > HIGH
    ? t("models.high", { name: model.name, wrong: number(Math.round(worst.wer * 100)), set: worst.set ?? "?" })
    : "";
}
