# The image of the sidecar, from what rootfs.sh has built:
#   make images && docker buildx build --platform linux/amd64,linux/arm64 -f manifests/images/sidecar.Dockerfile .
# The base holds users, CA certificates and time zones, and no shell.
# Pods run the sidecar as the user of their JVM, as the webhook decides.
FROM gcr.io/distroless/static-debian12:nonroot@sha256:afa5c872c891853ca7fcf1f12c3edb23f7eeef36189728842dd51042ff57f7ab
ARG TARGETARCH
COPY build/images/sidecar/${TARGETARCH}/files/ /
USER 65532:65532
EXPOSE 9467
ENTRYPOINT ["/usr/local/bin/sidecar"]
