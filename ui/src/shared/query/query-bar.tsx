/** The query: typed with completion, faults underlined where they are. */
import './query.css';
import { useEffect, useId, useImperativeHandle, useRef, useState, type KeyboardEvent, type Ref } from 'react';
import { Icon } from '../ui/icon';
import type { Complete } from './complete';
import { faultIn, narrowed, tokenEnd, tokens, type Completion } from './grammar';

export interface QueryBarHandle {
  focus: () => void;
}

export function QueryBar({
  value,
  onChange,
  complete,
  problem,
  ref,
}: {
  value: string;
  onChange: (value: string) => void;
  /** Says what may follow at a place; asked at each key stroke. */
  complete: Complete;
  /** What the server said about the query; empty if nothing. */
  problem: string;
  ref?: Ref<QueryBarHandle>;
}) {
  const [text, setText] = useState(value);
  const [given, setGiven] = useState(value);
  const [offer, setOffer] = useState<Completion | null>(null);
  const [chosen, setChosen] = useState(-1);
  const field = useRef<HTMLInputElement>(null);
  const mirror = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const asking = useRef<AbortController>(null);
  const id = useId();
  if (value !== given) {
    setGiven(value);
    setText(value);
  }
  useImperativeHandle(ref, () => ({ focus: () => field.current?.focus() }), []);
  useEffect(() => () => asking.current?.abort(), []);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [chosen]);

  const stop = () => {
    asking.current?.abort();
    asking.current = null;
  };
  const suggest = (now: string, at: number) => {
    stop();
    setOffer((before) => (before === null ? null : narrowed(before, now, at)));
    setChosen(-1);
    const asked = (asking.current = new AbortController());
    complete(now, at, asked.signal)
      .then(({ start, suggestions }) => {
        if (asking.current !== asked) return;
        asking.current = null;
        setOffer(narrowed({ text: now, at, start, end: tokenEnd(now, start, at), suggestions }, now, at));
      })
      .catch(() => {
        if (asking.current === asked) asking.current = null; // then nothing is offered: the query itself tells what is wrong
      });
  };
  const submit = (now: string) => {
    stop();
    setOffer(null);
    if (now.trim() !== value) onChange(now.trim());
  };
  const take = (index: number) => {
    const picked = offer?.suggestions[index];
    if (offer === null || picked === undefined) return;
    const now = `${text.slice(0, offer.start)}${picked.text} ${text.slice(offer.end).trimStart()}`;
    const at = offer.start + picked.text.length + 1;
    setText(now);
    requestAnimationFrame(() => {
      field.current?.setSelectionRange(at, at);
      suggest(now, at);
    });
  };
  const press = (event: KeyboardEvent<HTMLInputElement>) => {
    const size = offer?.suggestions.length ?? 0;
    if (event.key === 'ArrowDown' && size > 0) setChosen((now) => (now + 1) % size);
    else if (event.key === 'ArrowUp' && size > 0) setChosen((now) => (now <= 0 ? size - 1 : now - 1));
    else if (event.key === 'Enter' && chosen >= 0) take(chosen);
    else if (event.key === 'Tab' && size > 0 && chosen >= 0) take(chosen);
    else if (event.key === 'Enter') submit(text);
    else if (event.key === 'Escape') {
      if (offer === null && asking.current === null) field.current?.blur();
      stop();
      setOffer(null);
    } else return;
    event.preventDefault();
  };
  const fault = problem !== '' && text === value ? faultIn(text, problem) : null;
  return (
    <div className="query" data-bad={problem !== '' || undefined}>
      <Icon name="filter" size={14} />
      <div className="query-field">
        <div className="query-mirror" aria-hidden="true" ref={mirror}>
          <Coloured text={text} />
          {fault !== null && (
            <div className="query-fault">
              <span>{text.slice(0, fault.start)}</span>
              <u>{text.slice(fault.start, fault.end) || ' '}</u>
            </div>
          )}
        </div>
        <input
          ref={field}
          value={text}
          placeholder="metrics.auc > 0.8 and params.depth = '6'"
          aria-label="Filter of runs"
          aria-invalid={problem !== ''}
          aria-describedby={problem === '' ? undefined : `${id}-problem`}
          role="combobox"
          aria-expanded={offer !== null}
          aria-controls={`${id}-list`}
          aria-activedescendant={chosen >= 0 ? `${id}-${chosen}` : undefined}
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => {
            setText(event.target.value);
            suggest(event.target.value, event.target.selectionStart ?? event.target.value.length);
          }}
          onFocus={(event) => suggest(text, event.target.selectionStart ?? text.length)}
          onScroll={(event) => {
            if (mirror.current !== null) mirror.current.style.transform = `translateX(${-event.currentTarget.scrollLeft}px)`;
          }}
          onBlur={() => submit(text)}
          onKeyDown={press}
        />
      </div>
      {text !== '' && (
        <button type="button" className="query-clear" aria-label="Clear the filter" onMouseDown={(event) => event.preventDefault()} onClick={() => { setText(''); submit(''); }}>
          <Icon name="close" size={12} />
        </button>
      )}
      {problem !== '' && offer === null && (
        <div className="query-problem" role="alert" id={`${id}-problem`}>
          {fault?.message ?? problem}
        </div>
      )}
      {offer !== null && (
        <ul className="query-list" role="listbox" id={`${id}-list`} ref={list} aria-label="What may follow">
          {offer.suggestions.map((item, index) => (
            <li
              key={item.text}
              id={`${id}-${index}`}
              role="option"
              aria-selected={index === chosen}
              onMouseDown={(event) => {
                event.preventDefault();
                take(index);
              }}
              onMouseMove={() => setChosen(index)}
            >
              <span className="cut mono">{item.text}</span>
              <span className="quiet">{item.hint}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Coloured({ text }: { text: string }) {
  const parts = [];
  let at = 0;
  for (const token of tokens(text)) {
    if (token.start > at) parts.push(text.slice(at, token.start));
    const kind = token.kind === 'word' && /^(and|like|ilike|in|is|not|null)$/i.test(token.text) ? 'operator' : token.kind;
    parts.push(
      <span key={token.start} data-kind={kind}>
        {token.text}
      </span>,
    );
    at = token.end;
  }
  return (
    <div>
      {parts}
      {text.slice(at)}
    </div>
  );
}
