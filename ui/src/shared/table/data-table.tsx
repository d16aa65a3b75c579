/** A table of things that are all here: sorted in place, by TanStack Table. */
import { createColumnHelper, flexRender, getCoreRowModel, getSortedRowModel, useReactTable, type SortingState } from '@tanstack/react-table';
import { useMemo, useState, type ReactNode } from 'react';
import { Icon } from '../ui/icon';

export interface DataColumn<T> {
  id: string;
  title: string;
  cell: (row: T) => ReactNode;
  sort?: (row: T) => string | number;
  number?: boolean;
  grow?: boolean;
}

export function DataTable<T>({
  label,
  columns,
  rows,
  id,
  empty,
  order = [],
}: {
  label: string;
  columns: readonly DataColumn<T>[];
  rows: readonly T[];
  id: (row: T) => string;
  empty: string;
  order?: SortingState;
}) {
  const [sorting, setSorting] = useState<SortingState>(order);
  const made = useMemo(() => {
    const helper = createColumnHelper<T>();
    return columns.map((column) =>
      helper.accessor((row: T) => column.sort?.(row) ?? '', {
        id: column.id,
        header: column.title,
        cell: ({ row }) => column.cell(row.original),
        enableSorting: column.sort !== undefined,
        sortUndefined: 'last',
      }),
    );
  }, [columns]);
  const table = useReactTable({
    data: rows as T[],
    columns: made,
    state: { sorting },
    onSortingChange: setSorting,
    getRowId: id,
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
  });
  const of = new Map(columns.map((column) => [column.id, column]));
  return (
    <div className="table-scroll">
      <table className="grid-table" aria-label={label}>
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map((header) => {
                const sorted = header.column.getIsSorted();
                const column = of.get(header.id);
                const aria = sorted === false ? undefined : sorted === 'asc' ? 'ascending' : 'descending';
                return (
                  <th key={header.id} className={column?.number === true ? 'num' : undefined} aria-sort={aria} style={column?.grow === true ? { width: '50%' } : undefined}>
                    {header.column.getCanSort() ? (
                      <button type="button" className="sort" onClick={header.column.getToggleSortingHandler()}>
                        {column?.title}
                        {sorted !== false && <Icon name={sorted === 'asc' ? 'up' : 'down'} size={11} />}
                      </button>
                    ) : (
                      column?.title
                    )}
                  </th>
                );
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          {table.getRowModel().rows.map((row) => (
            <tr key={row.id}>
              {row.getVisibleCells().map((cell) => (
                <td key={cell.id} className={of.get(cell.column.id)?.number === true ? 'num' : undefined}>
                  {flexRender(cell.column.columnDef.cell, cell.getContext())}
                </td>
              ))}
            </tr>
          ))}
          {rows.length === 0 && (
            <tr>
              <td colSpan={columns.length} className="quiet">
                {empty}
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}
