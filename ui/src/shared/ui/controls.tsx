/** Things to press and to type into. */
import { Checkbox as RadixCheckbox, Switch as RadixSwitch } from 'radix-ui';
import type { ComponentProps, ReactNode } from 'react';
import { Icon, type IconName } from './icon';
import { Tip } from './overlays';

type Tone = 'plain' | 'primary' | 'quiet' | 'bad';

interface ButtonProps extends ComponentProps<'button'> {
  tone?: Tone;
  icon?: IconName;
  busy?: boolean;
}

export function Button({ tone = 'plain', icon, busy = false, children, className = '', ...rest }: ButtonProps) {
  return (
    <button type="button" {...rest} disabled={busy || rest.disabled} data-busy={busy || undefined} className={`button button-${tone} ${className}`}>
      {icon !== undefined && <Icon name={icon} size={15} />}
      {children}
    </button>
  );
}

interface IconButtonProps extends Omit<ComponentProps<'button'>, 'children'> {
  icon: IconName;
  label: string;
  keys?: string;
  pressed?: boolean;
  size?: number;
  /** With the browser's own tooltip: for what a page has very many of. */
  light?: boolean;
}

/** A button that is an icon; its label is its tooltip and what a screen reader says. */
export function IconButton({ icon, label, keys, pressed, size = 15, light = false, className = '', ...rest }: IconButtonProps) {
  const button = (
    <button type="button" aria-label={label} aria-pressed={pressed} title={light ? label : undefined} {...rest} className={`icon-button ${className}`}>
      <Icon name={icon} size={size} />
    </button>
  );
  return light ? (
    button
  ) : (
    <Tip text={label} keys={keys}>
      {button}
    </Tip>
  );
}

export interface Choice<T extends string> {
  value: T;
  label: string;
  icon?: IconName;
  keys?: string;
}

/** One of a few, all in sight. */
export function Segmented<T extends string>({
  label,
  value,
  choices,
  onChange,
  iconsOnly = false,
}: {
  label: string;
  value: T;
  choices: readonly Choice<T>[];
  onChange: (value: T) => void;
  iconsOnly?: boolean;
}) {
  return (
    <div className="segmented" role="radiogroup" aria-label={label}>
      {choices.map((choice) => {
        const button = (
          <button
            key={choice.value}
            type="button"
            role="radio"
            aria-checked={choice.value === value}
            aria-label={iconsOnly ? choice.label : undefined}
            onClick={() => onChange(choice.value)}
          >
            {choice.icon !== undefined && <Icon name={choice.icon} size={14} />}
            {!iconsOnly && choice.label}
          </button>
        );
        return iconsOnly ? (
          <Tip key={choice.value} text={choice.label} keys={choice.keys}>
            {button}
          </Tip>
        ) : (
          button
        );
      })}
    </div>
  );
}

/** On or off, in a row of its like. */
export function Toggle({ label, tip, on, onChange }: { label: string; tip: string; on: boolean; onChange: (on: boolean) => void }) {
  return (
    <Tip text={tip}>
      <button type="button" aria-pressed={on} onClick={() => onChange(!on)}>
        {label}
      </button>
    </Tip>
  );
}

export function Checkbox({
  checked,
  label,
  onChange,
  onClick,
}: {
  checked: boolean | 'indeterminate';
  label: string;
  onChange?: (checked: boolean) => void;
  onClick?: ComponentProps<'button'>['onClick'];
}) {
  return (
    <RadixCheckbox.Root
      className="checkbox"
      checked={checked}
      aria-label={label}
      onCheckedChange={(next) => onChange?.(next === true)}
      onClick={onClick}
    >
      <RadixCheckbox.Indicator className="checkbox-mark">
        <Icon name={checked === 'indeterminate' ? 'minus' : 'check'} size={12} />
      </RadixCheckbox.Indicator>
    </RadixCheckbox.Root>
  );
}

export function Switch({ checked, label, onChange }: { checked: boolean; label: string; onChange: (checked: boolean) => void }) {
  return (
    <label className="switch-label">
      <RadixSwitch.Root className="switch" checked={checked} onCheckedChange={onChange}>
        <RadixSwitch.Thumb className="switch-thumb" />
      </RadixSwitch.Root>
      <span>{label}</span>
    </label>
  );
}

export function Input({ icon, className = '', ...rest }: ComponentProps<'input'> & { icon?: IconName }) {
  return (
    <span className={`input ${className}`}>
      {icon !== undefined && <Icon name={icon} size={14} />}
      <input spellCheck={false} autoComplete="off" {...rest} />
    </span>
  );
}

export function Select<T extends string>({
  label,
  value,
  options,
  onChange,
  prefix,
}: {
  label: string;
  value: T;
  options: readonly { value: T; label: string }[];
  onChange: (value: T) => void;
  prefix?: ReactNode;
}) {
  return (
    <span className="select">
      {prefix !== undefined && <span className="quiet">{prefix}</span>}
      <select aria-label={label} value={value} onChange={(event) => onChange(event.target.value as T)}>
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
      <Icon name="down" size={12} />
    </span>
  );
}

/** A thing to fill in, under its name. */
export function Field({ label, hint, children }: { label: string; hint?: ReactNode; children: ReactNode }) {
  return (
    <div className="field">
      <label>
        <span>{label}</span>
        {children}
      </label>
      {hint !== undefined && <small className="quiet">{hint}</small>}
    </div>
  );
}
