import { invalid, type FieldError } from '../../api/status.ts';
import type { Namespace, ResourceClaimSpec } from '../../api/types.gen.ts';
import type { AdmissionPlugin } from '../contract.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { isFor } from './refuse.ts';

const LABEL = 'resource.kubernetes.io/admin-access';

/** Requests for devices that others use are for namespaces that administrators labelled (KEP-5018). Upstream's store does it. */
export function deviceAdminAccess(objects: StoredObjects): AdmissionPlugin {
  const namespaces = stored<Namespace>(objects, '', 'v1', 'namespaces');
  return {
    name: 'DeviceAdminAccess',
    async validate(request) {
      const isClaim = isFor(request, 'resource.k8s.io', 'resourceclaims');
      if (!isClaim && !isFor(request, 'resource.k8s.io', 'resourceclaimtemplates')) return;
      const { spec } = (request.object ?? {}) as { spec?: ResourceClaimSpec & { spec?: ResourceClaimSpec } };
      const path = isClaim ? 'spec' : 'spec.spec';
      const requests = (isClaim ? spec : spec?.spec)?.devices?.requests ?? [];
      const errors: FieldError[] = requests.flatMap(({ exactly }, index) =>
        exactly?.adminAccess
          ? [
              {
                field: `${path}.devices.requests[${index}].exactly.adminAccess`,
                type: 'FieldValueForbidden',
                message: `Forbidden: admin access to devices requires the \`${LABEL}: true\` label on the containing namespace`,
              },
            ]
          : [],
      );
      if (errors.length === 0 || request.operation === 'UPDATE') return;
      const labels = (await namespaces.find('', request.namespace))?.metadata.labels;
      if (labels?.[LABEL] === 'true') return;
      throw invalid(isClaim ? 'ResourceClaim' : 'ResourceClaimTemplate', 'resource.k8s.io', request.object?.metadata.name ?? '', errors);
    },
  };
}
