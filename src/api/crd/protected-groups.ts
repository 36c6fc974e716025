/** Whether a group is one of Kubernetes's own, whose definitions need an approval (KEP-1111). */
export function isProtectedGroup(group: string): boolean {
  return /(?:^|\.)(?:k8s|kubernetes)\.io$/.test(group);
}

/** The annotation that says where a definition was approved, or `unapproved, …`. */
export const APPROVAL_ANNOTATION = 'api-approved.kubernetes.io';
