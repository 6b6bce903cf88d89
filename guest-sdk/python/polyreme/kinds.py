"""The built-in kinds that controllers use most. For others: ``Kind("batch/v1", "Job")``."""

from .objects import Kind

CONFIG_MAP = Kind("v1", "ConfigMap")
EVENT = Kind("v1", "Event")
NAMESPACE = Kind("v1", "Namespace", namespaced=False)
NODE = Kind("v1", "Node", namespaced=False)
PERSISTENT_VOLUME_CLAIM = Kind("v1", "PersistentVolumeClaim")
POD = Kind("v1", "Pod")
SECRET = Kind("v1", "Secret")
SERVICE = Kind("v1", "Service")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount")
DAEMON_SET = Kind("apps/v1", "DaemonSet")
DEPLOYMENT = Kind("apps/v1", "Deployment")
STATEFUL_SET = Kind("apps/v1", "StatefulSet")
CRON_JOB = Kind("batch/v1", "CronJob")
JOB = Kind("batch/v1", "Job")
INGRESS = Kind("networking.k8s.io/v1", "Ingress")
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy")
ROLE = Kind("rbac.authorization.k8s.io/v1", "Role")
ROLE_BINDING = Kind("rbac.authorization.k8s.io/v1", "RoleBinding")
