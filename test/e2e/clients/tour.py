"""A tour of the cluster with Debian's python3-kubernetes. Ends with 1 and a traceback at the first surprise; prints each stop."""

import json
import tempfile

from kubernetes import client, config, dynamic, stream, utils, watch
from kubernetes.client.rest import ApiException

NAMESPACE = "python-tour"

config.load_kube_config()
core = client.CoreV1Api()
apps = client.AppsV1Api()


def stop(name):
    print(f"stop: {name}", flush=True)


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def wait_until_ready(name):
    follower = watch.Watch()
    selector = f"metadata.name={name}"
    for event in follower.stream(core.list_namespaced_pod, NAMESPACE, field_selector=selector, timeout_seconds=60):
        conditions = event["object"].status.conditions or []
        if any(one.type == "Ready" and one.status == "True" for one in conditions):
            follower.stop()
            return
    raise AssertionError(f"pod {name} did not become ready")


def typed_objects():
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE)))
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="settings", labels={"of": "python"}), data={"a": "1"})
    made = core.create_namespaced_config_map(NAMESPACE, body)
    expect(made.metadata.uid and made.metadata.creation_timestamp.tzinfo, "metadata is filled in")
    made.data["b"] = "2"
    replaced = core.replace_namespaced_config_map("settings", NAMESPACE, made)
    expect(replaced.data == {"a": "1", "b": "2"}, "replaced")
    made.data["c"] = "3"
    try:
        core.replace_namespaced_config_map("settings", NAMESPACE, made)
        raise AssertionError("an old resourceVersion was taken")
    except ApiException as refused:
        expect(refused.status == 409 and "the object has been modified" in refused.body, "a conflict")
    listed = core.list_namespaced_config_map(NAMESPACE, label_selector="of=python")
    expect([one.metadata.name for one in listed.items] == ["settings"], "listed by label")
    try:
        core.read_namespaced_config_map("nosuch", NAMESPACE)
        raise AssertionError("read what is not there")
    except ApiException as missing:
        expect(missing.status == 404 and missing.reason == "Not Found", "not found")


def patches():
    merged = core.patch_namespaced_config_map("settings", NAMESPACE, {"data": {"a": None, "d": "4"}})
    expect(merged.data == {"b": "2", "d": "4"}, "a strategic merge patch")
    operations = [{"op": "replace", "path": "/data/b", "value": "5"}]
    expect(core.patch_namespaced_config_map("settings", NAMESPACE, operations).data["b"] == "5", "a JSON patch")


def watching():
    version = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
    core.create_namespaced_config_map(NAMESPACE, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="seen")))
    core.patch_namespaced_config_map("seen", NAMESPACE, {"data": {"x": "y"}})
    core.delete_namespaced_config_map("seen", NAMESPACE)
    seen = []
    follower = watch.Watch()
    for event in follower.stream(core.list_namespaced_config_map, NAMESPACE, resource_version=version, timeout_seconds=30):
        seen.append((event["type"], event["object"].metadata.name))
        if event["type"] == "DELETED":
            follower.stop()
    expect(seen == [(kind, "seen") for kind in ("ADDED", "MODIFIED", "DELETED")], f"saw {seen}")


def pods():
    container = client.V1Container(name="box", image="busybox", command=["sh", "-c", "echo ready; sleep 3600"])
    spec = client.V1PodSpec(containers=[container], termination_grace_period_seconds=0)
    core.create_namespaced_pod(NAMESPACE, client.V1Pod(metadata=client.V1ObjectMeta(name="box"), spec=spec))
    wait_until_ready("box")
    expect(core.read_namespaced_pod_log("box", NAMESPACE) == "ready\n", "the log")
    command = ["sh", "-c", "echo out; echo err >&2; exit 3"]
    session = stream.stream(
        core.connect_get_namespaced_pod_exec, "box", NAMESPACE, command=command, stdout=True, stderr=True, stdin=False, tty=False, _preload_content=False
    )
    session.run_forever(timeout=30)
    expect((session.read_stdout(), session.read_stderr()) == ("out\n", "err\n"), "what exec printed")
    expect(session.returncode == 3, f"the exit code was {session.returncode}")


def deployments_from_yaml():
    manifest = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: web, namespace: {NAMESPACE} }}
spec:
  replicas: 2
  selector: {{ matchLabels: {{ app: web }} }}
  template:
    metadata: {{ labels: {{ app: web }} }}
    spec: {{ containers: [{{ name: web, image: nginx }}] }}
---
apiVersion: v1
kind: Service
metadata: {{ name: web, namespace: {NAMESPACE} }}
spec: {{ selector: {{ app: web }}, ports: [{{ port: 80 }}] }}
"""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(manifest)
        file.flush()
        utils.create_from_yaml(client.ApiClient(), file.name)
    follower = watch.Watch()
    for event in follower.stream(apps.list_namespaced_deployment, NAMESPACE, timeout_seconds=60):
        if event["object"].status.available_replicas == 2:
            follower.stop()
            break
    else:
        raise AssertionError("the deployment did not become available")
    scaled = apps.patch_namespaced_deployment_scale("web", NAMESPACE, {"spec": {"replicas": 1}})
    expect(scaled.spec.replicas == 1, "scaled")


def dynamically():
    found = dynamic.DynamicClient(client.ApiClient())
    deployments = found.resources.get(api_version="apps/v1", kind="Deployment")
    expect(deployments.get(name="web", namespace=NAMESPACE).spec.replicas == 1, "the dynamic client reads")
    maps = found.resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dynamic"}, "data": {"k": "v"}}
    maps.create(body=body, namespace=NAMESPACE)
    body["data"] = {"k": "w"}
    # This version of the library sends apply patches as they are given.
    applied = maps.server_side_apply(body=json.dumps(body), name="dynamic", namespace=NAMESPACE, field_manager="python-tour", force_conflicts=True)
    expect(applied.data.k == "w", "applied")


def farewell():
    core.delete_collection_namespaced_config_map(NAMESPACE, label_selector="of=python")
    expect(core.list_namespaced_config_map(NAMESPACE, label_selector="of=python").items == [], "the collection is gone")
    core.delete_namespace(NAMESPACE)


for visit in (typed_objects, patches, watching, pods, deployments_from_yaml, dynamically, farewell):
    stop(visit.__name__)
    visit()
stop("done")
