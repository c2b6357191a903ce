// Copyright (c) 2026 webcallserver.balancer contributors
// SPDX-License-Identifier: GPL-3.0-or-later

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Properties;

/**
 * What java.util.Properties makes of many files. Every line of the file named first is one properties file in base64; every line of the file named
 * second is what was loaded from it, as bytes (ISO-8859-1), a tab, and as UTF-8 text: "key:value" pairs in base64 of UTF-16, or "malformed".
 */
public final class Loader {
    private Loader() {
    }

    public static void main(String[] arguments) throws IOException {
        List<String> answers = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            byte[] data = Base64.getDecoder().decode(line);
            Reader text = new InputStreamReader(new ByteArrayInputStream(data), StandardCharsets.UTF_8);
            answers.add(answer(properties -> properties.load(new ByteArrayInputStream(data))) + "\t" + answer(properties -> properties.load(text)));
        }
        Files.write(Path.of(arguments[1]), answers);
    }

    private interface Loading {
        void into(Properties properties) throws IOException;
    }

    private static String answer(Loading loading) throws IOException {
        Properties properties = new Properties();
        try {
            loading.into(properties);
        } catch (IllegalArgumentException malformed) {
            return "malformed";
        }
        List<String> pairs = new ArrayList<>();
        for (String key : properties.stringPropertyNames()) {
            pairs.add(encoded(key) + ":" + encoded(properties.getProperty(key)));
        }
        return String.join(",", pairs);
    }

    // Character by character: an encoder would replace lone surrogates.
    private static String encoded(String text) {
        byte[] bytes = new byte[text.length() * 2];
        for (int place = 0; place < text.length(); place++) {
            bytes[2 * place] = (byte) (text.charAt(place) >> 8);
            bytes[2 * place + 1] = (byte) text.charAt(place);
        }
        return Base64.getEncoder().encodeToString(bytes);
    }
}
