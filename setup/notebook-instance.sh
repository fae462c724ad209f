#!/bin/bash
# What a SageMaker notebook instance needs at every start, since only its volume outlives a stop. Paste it whole
# into the "Start notebook" script of a lifecycle configuration: it runs as root. AWS starts no instance whose
# script fails or takes over 5 minutes, so each part goes on without the others, and an image is not fetched here.
# Source: API reference, CreateNotebookInstanceLifecycleConfig. Needs the platform notebook-al2023-v1 or newer.
set -u
VOLUME=${VOLUME:-/home/ec2-user/SageMaker} # what you chose the size of
RUN_AS=${RUN_AS:-ec2-user}                 # who Jupyter and its terminals run as

say() { echo "workshop: $*"; } # CloudWatch: /aws/sagemaker/NotebookInstances, stream NAME/LifecycleConfigOnStart

# The Python that the .venv of a clone points to is on the root disk, which every start makes anew.
dnf install -y -q git make python3.11 || say "git, make or python3.11 could not be installed"

# Docker keeps images on the root disk, which one serving image (about 15 GB) fills: on the volume instead.
systemctl stop docker.socket docker
mkdir -p "$VOLUME/docker" && mount --bind "$VOLUME/docker" /var/lib/docker || say "Docker stays on the root disk"
systemctl start docker || say "Docker does not start"

# Jupyter's list of kernels is on the root disk too.
for python in "$VOLUME"/*/.venv/bin/python; do
    [ -f "${python%/.venv/*}/workshop.yaml" ] || continue
    sudo -u "$RUN_AS" "$python" -m ipykernel install --user --name workshop --display-name "Python (workshop)" ||
        say "no kernel of $python"
done
exit 0
