/** Sentences of the service, in the language of the page. */

import { has, language, t } from "./text.js";

/**
 * Return the English sentence of the service, which has details of the recording, or the page's own in another language.
 * @param {string} key of the page's sentence
 * @param {string} message of the service
 */
export function sentenceOf(key, message) {
  return language() !== "en" && has(key) ? t(key) : message;
}
