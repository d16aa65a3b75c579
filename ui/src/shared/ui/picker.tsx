/** One of very many, found by name; of a few, a plain list. */
import './picker.css';
import { useDeferredValue, useId, useState, type KeyboardEvent, type ReactNode } from 'react';
import { Input, Select } from './controls';
import { whole } from './format';
import { Icon } from './icon';
import { Popover } from './overlays';

const FEW = 30;
const MOST = 200;

export interface Option {
  value: string;
  label: string;
}

interface PickerProps {
  label: string;
  value: string;
  options: readonly Option[];
  onChange: (value: string) => void;
  prefix?: ReactNode;
}

const matching = (options: readonly Option[], text: string) => options.filter((option) => option.label.toLowerCase().includes(text.toLowerCase()));

export function Picker(props: PickerProps) {
  return props.options.length <= FEW ? <Select {...props} /> : <LongPicker {...props} />;
}

function LongPicker({ label, value, options, onChange, prefix }: PickerProps) {
  const [open, setOpen] = useState(false);
  const chosen = options.find((option) => option.value === value)?.label ?? value;
  const choose = (next: string) => {
    setOpen(false);
    onChange(next);
  };
  const trigger = (
    <button type="button" className="select picker" aria-label={`${label}: ${chosen}`}>
      {prefix !== undefined && <span className="quiet">{prefix}</span>}
      <span className="cut">{chosen}</span>
      <Icon name="down" size={12} />
    </button>
  );
  return (
    <Popover label={label} open={open} onOpenChange={setOpen} trigger={trigger}>
      <Choices label={label} value={value} options={options} onChoose={choose} />
    </Popover>
  );
}

function Choices({ label, value, options, onChoose }: { label: string; value: string; options: readonly Option[]; onChoose: (value: string) => void }) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const id = useId();
  const fitting = matching(options, useDeferredValue(text));
  const shown = fitting.slice(0, MOST);
  const press = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      const next = Math.max(0, Math.min(shown.length - 1, at + step));
      setAt(next);
      document.getElementById(`${id}-${next}`)?.scrollIntoView({ block: 'nearest' });
    } else if (event.key === 'Enter') {
      // Who types fast presses Enter before the list has followed.
      const option = matching(options, text)[at];
      if (option !== undefined) onChoose(option.value);
    }
  };
  return (
    <>
      <Input
        icon="search"
        className="picker-find"
        role="combobox"
        aria-label={`Find: ${label}`}
        aria-expanded
        aria-controls={id}
        aria-activedescendant={shown[at] === undefined ? undefined : `${id}-${at}`}
        placeholder="Find"
        value={text}
        autoFocus
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={press}
      />
      <ul className="picker-list" role="listbox" id={id} aria-label={label}>
        {shown.map((option, index) => (
          <li key={option.value} id={`${id}-${index}`} role="option" className="picker-option cut" aria-selected={option.value === value} data-at={index === at || undefined} title={option.label} onClick={() => onChoose(option.value)}>
            {option.label}
          </li>
        ))}
      </ul>
      {fitting.length > MOST && <p className="quiet picker-more">{whole(fitting.length - MOST)} more; find them by name</p>}
      {fitting.length === 0 && <p className="quiet picker-more">Nothing of that name</p>}
    </>
  );
}
