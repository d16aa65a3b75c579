/** What who is signed in may do, for controls that would only be refused. */
import { useQuery } from '@tanstack/react-query';
import { useCallback } from 'react';
import { may, meQuery } from '@/api/accounts';

export type May = (permission: string) => boolean;

/** Until it is known who is signed in, nothing may be done. */
export function useMay(): May {
  const me = useQuery(meQuery()).data;
  return useCallback((permission) => may(me, permission), [me]);
}
