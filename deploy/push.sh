#!/usr/bin/env bash
# Build the image `serve`, push it to Amazon ECR under its commit, and under its version where the commit has a tag v*.
# Prints the image's digest. Tags there never change: run again for the same commit, it builds and pushes nothing.
#
# Reads AWS_ECR_LOGIN_URI (<account>.dkr.ecr.<region>.amazonaws.com), ECR_REPOSITORY_NAME, and AWS's own variables.
set -euo pipefail
cd "$(dirname "$0")/.."

repository=$AWS_ECR_LOGIN_URI/$ECR_REPOSITORY_NAME
commit=$(git rev-parse HEAD)
version=$(git tag --points-at HEAD 'v*' | tail -n 1)

digest_of() { # nothing, where there is no such tag
    aws ecr batch-get-image --repository-name "$ECR_REPOSITORY_NAME" --image-ids "imageTag=$1" \
        --query 'images[].imageId.imageDigest' --output text
}

digest=$(digest_of "$commit")
if [[ -z $digest ]]; then
    aws ecr get-login-password | docker login --username AWS --password-stdin "$AWS_ECR_LOGIN_URI" >&2
    docker build --target serve --build-arg "VERSION=${version:-0}" --build-arg "REVISION=$commit" \
        --tag "$repository:$commit" . >&2
    docker push "$repository:$commit" >&2
    digest=$(digest_of "$commit")
fi

if [[ -n $version && -z $(digest_of "$version") ]]; then
    manifest=$(aws ecr batch-get-image --repository-name "$ECR_REPOSITORY_NAME" --image-ids "imageTag=$commit" \
        --query 'images[0].imageManifest' --output text)
    aws ecr put-image --repository-name "$ECR_REPOSITORY_NAME" --image-tag "$version" --image-manifest "$manifest" >&2
fi
echo "$digest"
