/** What floats: tooltips, menus, popovers, dialogs. */
import { Dialog as RadixDialog, DropdownMenu, Popover as RadixPopover, Tooltip } from 'radix-ui';
import { cloneElement, useState, type ComponentProps, type ReactElement, type ReactNode } from 'react';
import { Icon, type IconName } from './icon';

export function Tip({ text, keys, children }: { text: ReactNode; keys?: string | undefined; children: ReactElement }) {
  return (
    <Tooltip.Root>
      <Tooltip.Trigger asChild>{children}</Tooltip.Trigger>
      <Tooltip.Portal>
        <Tooltip.Content className="tip" sideOffset={6} collisionPadding={8}>
          {text}
          {keys !== undefined && <kbd>{keys}</kbd>}
        </Tooltip.Content>
      </Tooltip.Portal>
    </Tooltip.Root>
  );
}

export interface MenuItem {
  label: string;
  icon?: IconName;
  keys?: string;
  bad?: boolean;
  disabled?: boolean;
  checked?: boolean;
  onSelect: () => void;
}

interface MenuProps {
  trigger: ReactElement;
  items: readonly (MenuItem | 'line')[];
  align?: 'start' | 'end';
  isOpen?: boolean;
}

export function Menu({ trigger, items, align = 'end', isOpen = false }: MenuProps) {
  return (
    <DropdownMenu.Root modal={false} defaultOpen={isOpen}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align={align} sideOffset={5} collisionPadding={8}>
          {items.map((item, index) =>
            item === 'line' ? (
              <DropdownMenu.Separator key={index} className="menu-line" />
            ) : (
              <DropdownMenu.Item key={item.label} className="menu-item" data-bad={item.bad} disabled={item.disabled ?? false} onSelect={item.onSelect}>
                <span className="menu-icon">
                  {item.checked === true ? <Icon name="check" size={14} /> : item.icon !== undefined && <Icon name={item.icon} size={14} />}
                </span>
                <span className="grow">{item.label}</span>
                {item.keys !== undefined && <kbd>{item.keys}</kbd>}
              </DropdownMenu.Item>
            ),
          )}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

/** A menu that is made when it is opened first: for what a page has very many of. Its trigger is a button. */
export function LateMenu(props: Omit<MenuProps, 'trigger' | 'isOpen'> & { trigger: ReactElement<ComponentProps<'button'>> }) {
  const [isMade, setMade] = useState(false);
  if (isMade) return <Menu {...props} isOpen />;
  return cloneElement(props.trigger, { 'aria-haspopup': 'menu', 'aria-expanded': false, onClick: () => setMade(true) });
}

export function Popover({
  trigger,
  label,
  children,
  align = 'start',
  open,
  onOpenChange,
}: {
  trigger: ReactElement;
  label: string;
  children: ReactNode;
  align?: 'start' | 'center' | 'end';
  open?: boolean;
  onOpenChange?: (open: boolean) => void;
}) {
  return (
    <RadixPopover.Root open={open} onOpenChange={onOpenChange}>
      <RadixPopover.Trigger asChild>{trigger}</RadixPopover.Trigger>
      <RadixPopover.Portal>
        <RadixPopover.Content className="popover" align={align} sideOffset={5} collisionPadding={8} aria-label={label}>
          {children}
        </RadixPopover.Content>
      </RadixPopover.Portal>
    </RadixPopover.Root>
  );
}

export function Dialog({
  open,
  onClose,
  title,
  text,
  children,
  actions,
  wide = false,
}: {
  open: boolean;
  onClose: () => void;
  title: ReactNode;
  text?: ReactNode;
  children?: ReactNode;
  actions?: ReactNode;
  wide?: boolean;
}) {
  return (
    <RadixDialog.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className="dialog-shade" />
        <RadixDialog.Content className="dialog" data-wide={wide || undefined} {...(text === undefined ? { 'aria-describedby': undefined } : {})}>
          <header className="dialog-head">
            <RadixDialog.Title className="dialog-title">{title}</RadixDialog.Title>
            <RadixDialog.Close className="icon-button" aria-label="Close">
              <Icon name="close" />
            </RadixDialog.Close>
          </header>
          {text !== undefined && <RadixDialog.Description className="dialog-text">{text}</RadixDialog.Description>}
          <div className="dialog-body">{children}</div>
          {actions !== undefined && <footer className="dialog-actions">{actions}</footer>}
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}
