# A tour of the cluster with Debian's ruby-kubeclient. Ends with 1 and a backtrace at the first surprise; prints each stop.

require 'kubeclient'

NAMESPACE = 'ruby-tour'

settings = Kubeclient::Config.read(ENV.fetch('KUBECONFIG')).context

# A client for one group and version: `client('apps', 'v1')`.
CLIENTS = Hash.new do |known, (group, version)|
  path = group.empty? ? '/api' : "/apis/#{group}"
  known[[group, version]] = Kubeclient::Client.new(
    settings.api_endpoint + path, version, ssl_options: settings.ssl_options, auth_options: settings.auth_options
  )
end

def client(group = '', version = 'v1')
  CLIENTS[[group, version]]
end

def stop(name)
  puts "stop: #{name}"
  $stdout.flush
end

def expect(condition, what)
  raise what unless condition
end

def resource(name, **rest)
  Kubeclient::Resource.new(metadata: { name: name, namespace: NAMESPACE }, **rest)
end

# Calls the block with each notice until it gives something true.
def follow(watcher)
  limit = Thread.new { sleep 60; watcher.finish }
  done = false
  watcher.each do |notice|
    next unless yield(notice)

    done = true
    watcher.finish
  end
  limit.kill
  expect done, 'what was waited for did not come'
rescue HTTP::ConnectionError
  raise unless done
end

stop 'discovery'
client.discover
expect client.respond_to?(:get_config_map), 'the core kinds were not discovered'
client('apps').discover
expect client('apps').respond_to?(:get_deployments), 'apps was not discovered'
expect client.api_valid?, 'the API is not valid'

stop 'entities'
client.create_namespace(Kubeclient::Resource.new(metadata: { name: NAMESPACE }))
made = client.create_config_map(resource('settings', data: { a: '1' }))
expect !made.metadata.uid.empty?, 'no uid'
made.data.b = '2'
expect client.update_config_map(made).data.to_h == { a: '1', b: '2' }, 'not updated'
begin
  client.update_config_map(made)
  raise 'an old resourceVersion was taken'
rescue Kubeclient::HttpError => e
  expect e.error_code == 409, "not a conflict: #{e.message}"
end
expect client.patch_config_map('settings', { data: { c: '3' } }, NAMESPACE).data.c == '3', 'a strategic merge patch'
expect client.merge_patch_config_map('settings', { data: { a: nil } }, NAMESPACE).data.to_h == { b: '2', c: '3' }, 'a merge patch'
patched = client.json_patch_config_map('settings', [{ op: 'replace', path: '/data/b', value: '4' }], NAMESPACE)
expect patched.data.b == '4', 'a JSON patch'
configuration = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied', namespace: NAMESPACE }, data: { x: 'y' } }
applied = client.apply_config_map(configuration, field_manager: 'ruby-tour')
expect applied.data.x == 'y', 'not applied'
begin
  client.get_config_map('nosuch', NAMESPACE)
  raise 'read what is not there'
rescue Kubeclient::ResourceNotFoundError => e
  expect e.message == 'configmaps "nosuch" not found', e.message
end

stop 'watch'
version = client.get_config_maps(namespace: NAMESPACE).resourceVersion
client.create_config_map(resource('seen', data: {}))
client.patch_config_map('seen', { data: { x: 'y' } }, NAMESPACE)
client.delete_config_map('seen', NAMESPACE)
seen = []
follow(client.watch_config_maps(namespace: NAMESPACE, resource_version: version)) do |notice|
  seen << notice.type
  notice.type == 'DELETED'
end
expect seen == %w[ADDED MODIFIED DELETED], "saw #{seen}"

stop 'pods'
box = { containers: [{ name: 'box', image: 'busybox', command: ['sh', '-c', 'echo ready; sleep 3600'] }], terminationGracePeriodSeconds: 0 }
client.create_pod(resource('box', spec: box))
follow(client.watch_pods(namespace: NAMESPACE, name: 'box')) do |notice|
  (notice.object.status.conditions || []).any? { |one| one.type == 'Ready' && one.status == 'True' }
end
expect client.get_pod_log('box', NAMESPACE).to_s == "ready\n", 'the log'

stop 'deployments'
labels = { app: 'web' }
template = { metadata: { labels: labels }, spec: { containers: [{ name: 'web', image: 'nginx' }] } }
client('apps').create_deployment(resource('web', spec: { replicas: 2, selector: { matchLabels: labels }, template: template }))
follow(client('apps').watch_deployments(namespace: NAMESPACE)) { |notice| notice.object.status.availableReplicas == 2 }
expect client.get_pods(namespace: NAMESPACE, label_selector: 'app=web').size == 2, 'two pods'
page = client.get_pods(namespace: NAMESPACE, limit: 1)
expect page.size == 1 && !page.last?, 'a page of one'

stop 'farewell'
client.delete_namespace(NAMESPACE)
stop 'done'
