/** What who is signed in may do, for controls that would only be refused. */
import { useQuery } from '@tanstack/react-query';
import { useCallback } from 'react';
import { limitOf, may, meQuery } from '@/api/accounts';

export type May = (permission: string) => boolean;

/** Until it is known who is signed in, nothing may be done. */
export function useMay(): May {
  const me = useQuery(meQuery()).data;
  return useCallback((permission) => may(me, permission), [me]);
}

/** Why who is signed in may do less than another could; empty if they may do everything. */
export function useLimit(): string {
  return limitOf(useQuery(meQuery()).data);
}
