# shellcheck shell=sh
# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A stand-in for the RedHat family, not one of it: a Debian 12 that poses as Rocky Linux 9, or a Debian 13 as 10, which has
# the same HAProxy. Its dnf installs from a repository on its own disk, made of Debian's packages. Ansible takes it for RedHat,
# and so do the roles.
export DEBIAN_FRONTEND=noninteractive
packages="nftables firewalld haproxy nginx python3-psutil python3-cryptography python3-idna"
case $(. /etc/os-release && echo "$VERSION_ID") in
12) release=9 version="9.4 (Blue Onyx)" ;;
*) release=10 version="10.0 (Red Quartz)" ;;
esac
apt-get update -q
# aiohttp is for the stand-in for WCS
apt-get install -q -y --no-install-recommends dnf python3-dnf rpm createrepo-c netbase python3-aiohttp
# What they depend on stays behind, so that the packages made of them need nothing.
# shellcheck disable=SC2086  # a list of packages
apt-get install -q -y --no-install-recommends $packages
# shellcheck disable=SC2086  # aiohttp wants idna too
apt-get purge -q -y ${packages% python3-idna} nginx-common

mkdir -p /srv/rpm /tmp/build /etc/yum.repos.d /etc/dnf/vars
cd /tmp/build || exit
for package in $packages; do
    apt-get download -q "$package"
    dpkg-deb --extract "$package"_*.deb "$package"
    # As the packages' scripts choose it, in both worlds
    if [ "$package" = firewalld ]; then
        ln -s org.fedoraproject.FirewallD1.server.policy.choice firewalld/usr/share/polkit-1/actions/org.fedoraproject.FirewallD1.policy
    fi
    # The layout of the RedHat family: one file with a welcome page on port 80, and conf.d
    if [ "$package" = nginx ]; then
        apt-get download -q nginx-common
        dpkg-deb --extract nginx-common_*.deb nginx
        find nginx/etc -mindepth 1 -maxdepth 2 ! -name nginx ! -name mime.types -prune -exec rm -r {} +
        rm nginx/usr/share/nginx/modules
        mkdir nginx/etc/nginx/conf.d nginx/usr/share/nginx/modules
        cat >nginx/etc/nginx/nginx.conf <<'END'
user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;
include /usr/share/nginx/modules/*.conf;
events {
    worker_connections 1024;
}
http {
    access_log /var/log/nginx/access.log;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    include /etc/nginx/conf.d/*.conf;
    server {
        listen 80;
        listen [::]:80;
        server_name _;
        root /usr/share/nginx/html;
        include /etc/nginx/default.d/*.conf;
    }
}
END
        sed -i -e '/^Exec/d' -e '/^\[Service\]/a ExecStartPre=/usr/sbin/nginx -t\nExecStart=/usr/sbin/nginx\nExecReload=/usr/sbin/nginx -s reload' \
            "$(find nginx -name nginx.service)"
    fi
    cat >"$package.spec" <<END
Name: $package
Version: $(dpkg-deb --field "$package"_*.deb Version | sed 's/^[0-9]*://; s/[-~+].*//')
Release: 1.el$release
Summary: Debian's $package in another format
License: as Debian's
AutoReqProv: no
# What its script asks for is there, but dnf does not know that
Provides: /bin/sh
%description
For tests.
%pre
$(case $package in haproxy | nginx) echo "getent passwd $package >/dev/null || useradd --system --home-dir /var/lib/$package --shell /usr/sbin/nologin $package" ;; esac)
%install
cp -a /tmp/build/$package/. %{buildroot}
%files
$(find "$package" \( ! -type d -o -empty \) -printf '"/%P"\n')
END
    rpmbuild --quiet -bb --define '_rpmdir /srv/rpm' --define '_build_id_links none' "$package.spec"
done
cd / || exit
rm -r /tmp/build
createrepo_c --quiet /srv/rpm
cat >/etc/yum.repos.d/stand-in.repo <<'END'
[stand-in]
name=Debian's packages in another format
baseurl=file:///srv/rpm
gpgcheck=0
END

echo "$release" >/etc/dnf/vars/releasever
cat >/usr/lib/os-release <<END
NAME="Rocky Linux"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION="$version"
VERSION_ID="${version%% *}"
PLATFORM_ID="platform:el$release"
PRETTY_NAME="Rocky Linux ${version%% *} (a stand-in)"
END
echo "Rocky Linux release $version" >/etc/redhat-release
mkdir /usr/lib/debian
apt-get clean
mv /usr/bin/apt /usr/bin/apt-get /usr/lib/debian/
rm -rf /var/lib/apt/lists/* /etc/debian_version
