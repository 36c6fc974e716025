/** The messages of the plugin registration service (k8s.io/kubelet pkg/apis/pluginregistration/v1). */
import { bool, list, message, string } from '../runtime/cri/wire.ts';

const InfoRequest = message({});
const PluginInfo = message({ type: string(1), name: string(2), endpoint: string(3), supportedVersions: list(string(4)) });
const RegistrationStatus = message({ pluginRegistered: bool(1), error: string(2) });
const RegistrationStatusResponse = message({});

/** Asks who listens on a registration socket. */
export const GET_INFO = {
  path: '/pluginregistration.Registration/GetInfo',
  request: InfoRequest,
  response: PluginInfo,
};

/** Tells the plugin what became of its registration. */
export const NOTIFY_REGISTRATION_STATUS = {
  path: '/pluginregistration.Registration/NotifyRegistrationStatus',
  request: RegistrationStatus,
  response: RegistrationStatusResponse,
};
