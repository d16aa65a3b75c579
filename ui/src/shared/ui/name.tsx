/** A name that may be wrapped where its parts meet, rather than in the middle of a word. */
import { Fragment } from 'react';

export function Name({ text }: { text: string }) {
  return text.split(/(?<=[/._:-])/).map((part, index) => (
    <Fragment key={index}>
      {index > 0 && <wbr />}
      {part}
    </Fragment>
  ));
}
