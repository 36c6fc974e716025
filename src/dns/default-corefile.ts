/** What kubeadm's Corefile says, for a cluster that has none. */
export function defaultCorefile(clusterDomain = 'cluster.local'): string {
  return `.:53 {
    errors
    kubernetes ${clusterDomain} in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    forward . /etc/resolv.conf {
        max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}
`;
}
