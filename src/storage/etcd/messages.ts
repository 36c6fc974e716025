import { bool, bytes, int, message, text } from './wire.ts';

/** The messages and methods of etcd's rpc.proto (package etcdserverpb) and kv.proto that we use, field numbers and all. */

export interface Header {
  revision?: number;
}
export interface KeyValueMessage {
  key?: string;
  createRevision?: number;
  modRevision?: number;
  value?: Uint8Array;
}
export interface RangeRequest {
  key?: string;
  rangeEnd?: Uint8Array;
  limit?: number;
  revision?: number;
  serializable?: boolean;
  countOnly?: boolean;
}
export interface RangeResponse {
  header?: Header;
  kvs?: KeyValueMessage[];
  more?: boolean;
  count?: number;
}
export interface TxnRequest {
  compare?: Compare[];
  success?: RequestOp[];
  failure?: RequestOp[];
}
export interface Compare {
  result?: number;
  target?: number;
  key?: string;
  modRevision?: number;
}
export interface RequestOp {
  range?: RangeRequest;
  put?: { key?: string; value?: Uint8Array };
  deleteRange?: { key?: string };
}
export interface TxnResponse {
  header?: Header;
  succeeded?: boolean;
  responses?: { range?: RangeResponse }[];
}
export interface WatchRequest {
  create?: WatchCreateRequest;
  cancel?: { watchId?: number };
  progress?: object;
}
export interface WatchCreateRequest {
  key?: string;
  rangeEnd?: Uint8Array;
  startRevision?: number;
  progressNotify?: boolean;
  prevKv?: boolean;
  watchId?: number;
}
export interface EventMessage {
  type?: number;
  kv?: KeyValueMessage;
  prevKv?: KeyValueMessage;
}
export interface WatchResponse {
  header?: Header;
  watchId?: number;
  created?: boolean;
  canceled?: boolean;
  compactRevision?: number;
  cancelReason?: string;
  events?: EventMessage[];
}

/** Compare.CompareTarget and Compare.CompareResult: what our guards compare. */
export const COMPARE_MOD = 2;
export const COMPARE_EQUAL = 0;
/** mvccpb.Event.EventType. */
export const EVENT_DELETE = 1;

const header = message<Header>({ revision: { number: 3, one: int } });
const keyValue = message<KeyValueMessage>({
  key: { number: 1, one: text },
  createRevision: { number: 2, one: int },
  modRevision: { number: 3, one: int },
  value: { number: 5, one: bytes },
});
const rangeRequest = message<RangeRequest>({
  key: { number: 1, one: text },
  rangeEnd: { number: 2, one: bytes },
  limit: { number: 3, one: int },
  revision: { number: 4, one: int },
  serializable: { number: 7, one: bool },
  countOnly: { number: 9, one: bool },
});
const rangeResponse = message<RangeResponse>({
  header: { number: 1, one: header },
  kvs: { number: 2, list: keyValue },
  more: { number: 3, one: bool },
  count: { number: 4, one: int },
});
const compare = message<Compare>({
  result: { number: 1, one: int },
  target: { number: 2, one: int },
  key: { number: 3, one: text },
  modRevision: { number: 6, one: int },
});
const requestOp = message<RequestOp>({
  range: { number: 1, one: rangeRequest },
  put: { number: 2, one: message({ key: { number: 1, one: text }, value: { number: 2, one: bytes } }) },
  deleteRange: { number: 3, one: message({ key: { number: 1, one: text } }) },
});
const txnRequest = message<TxnRequest>({
  compare: { number: 1, list: compare },
  success: { number: 2, list: requestOp },
  failure: { number: 3, list: requestOp },
});
const txnResponse = message<TxnResponse>({
  header: { number: 1, one: header },
  succeeded: { number: 2, one: bool },
  responses: { number: 3, list: message({ range: { number: 1, one: rangeResponse } }) },
});
const watchCreateRequest = message<WatchCreateRequest>({
  key: { number: 1, one: text },
  rangeEnd: { number: 2, one: bytes },
  startRevision: { number: 3, one: int },
  progressNotify: { number: 4, one: bool },
  prevKv: { number: 6, one: bool },
  watchId: { number: 7, one: int },
});
const watchRequest = message<WatchRequest>({
  create: { number: 1, one: watchCreateRequest },
  cancel: { number: 2, one: message({ watchId: { number: 1, one: int } }) },
  progress: { number: 3, one: message<object>({}) },
});
const event = message<EventMessage>({
  type: { number: 1, one: int },
  kv: { number: 2, one: keyValue },
  prevKv: { number: 3, one: keyValue },
});
const watchResponse = message<WatchResponse>({
  header: { number: 1, one: header },
  watchId: { number: 2, one: int },
  created: { number: 3, one: bool },
  canceled: { number: 4, one: bool },
  compactRevision: { number: 5, one: int },
  cancelReason: { number: 6, one: text },
  events: { number: 11, list: event },
});

export const RANGE = { path: '/etcdserverpb.KV/Range', request: rangeRequest, response: rangeResponse };
export const TXN = { path: '/etcdserverpb.KV/Txn', request: txnRequest, response: txnResponse };
export const COMPACT = {
  path: '/etcdserverpb.KV/Compact',
  request: message<{ revision?: number }>({ revision: { number: 1, one: int } }),
  response: message<{ header?: Header }>({ header: { number: 1, one: header } }),
};
export const STATUS = {
  path: '/etcdserverpb.Maintenance/Status',
  request: message<object>({}),
  response: message<{ dbSize?: number }>({ dbSize: { number: 3, one: int } }),
};
export const WATCH = { path: '/etcdserverpb.Watch/Watch', request: watchRequest, response: watchResponse };
