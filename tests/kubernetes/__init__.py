"""The manifests of deploy/kubernetes, built by kubectl and compared with the code. No cluster is needed."""
