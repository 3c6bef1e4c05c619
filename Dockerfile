# The whole product on Debian 12 and Python 3.11: the embedded engines, training and the workflow; torch brings CUDA along.
# FSL and FreeSurfer are not inside: FSL's licence restricts commercial use, FreeSurfer asks every user for a licence of
# their own, and each is larger than all the rest. Use the site's modules instead (docs/hpc.md).
#   docker build --tag myelosynth .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/data" myelosynth check /data/raw
FROM python:3.11.13-slim-bookworm

RUN useradd --uid 1000 myelosynth
WORKDIR /opt/myelosynth

# The pins first: a change of the source leaves this layer alone.
COPY requirements.lock .
RUN python -m pip install --no-cache-dir --disable-pip-version-check -r requirements.lock
COPY . .
RUN python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation -e .

# Writable for whoever `--user` names; one thread a job, Snakemake fills the cores.
ENV HOME=/tmp LOGNAME=myelosynth PYTHONNOUSERSITE=1 MPLCONFIGDIR=/tmp/matplotlib XDG_CACHE_HOME=/tmp/cache \
    OMP_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1
USER 1000:1000
WORKDIR /data
ENTRYPOINT ["myelosynth"]
